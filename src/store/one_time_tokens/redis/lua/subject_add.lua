-- Adds a token to the list of its subject.
-- KEYS[1]  the list
-- ARGV     1 now, 2 when the token expires (both in ms), 3 its name
-- returns  the names that were in the list before
local tokens = read(KEYS[1], ARGV[1])
local earlier = names(tokens)
table.insert(tokens, {expires = ARGV[2], name = ARGV[3]})
write(KEYS[1], tokens, ARGV[1])
return earlier
