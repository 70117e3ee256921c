-- Marks a session as ended. SQL has been told before; the mark keeps a rebuild that read SQL earlier from bringing it back.
-- KEYS[1]  the session
-- ARGV     1 how long to keep the mark, in ms
redis.call('DEL', KEYS[1]) -- First: a full Redis lets a script that has freed something write.
write(KEYS[1], session_of('ended'), ARGV[1])
return 1
