-- Reads the list of a subject's tokens.
-- KEYS[1]  the list
-- ARGV     1 now, in ms
-- returns  the names, the oldest first
return names(read(KEYS[1], ARGV[1]))
