-- Stores a token.
-- KEYS[1]  the token
-- ARGV     1 its text, 2 its lifetime in ms
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
