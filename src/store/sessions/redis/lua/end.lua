-- Writes the tombstone of a session. SQL has committed the end before. The tombstone stops a rebuild
-- that has read SQL earlier.
-- KEYS[1]  the session
-- ARGV     1 lifetime of the tombstone, in ms
redis.call('DEL', KEYS[1]) -- First, because a full Redis allows writes to a script that has freed memory.
write(KEYS[1], session_of('ended'), ARGV[1])
return 1
