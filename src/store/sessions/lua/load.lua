-- Puts a session that SQL knows back into Redis, unless it is there: what is there is newer.
-- KEYS[1]  the session
-- ARGV     1 account, 2 generation, 3 rotated at, 4 expires at, 5 how long to keep it (times in ms)
-- returns  1 if it was put there, else 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], 'account', ARGV[1], 'generation', ARGV[2], 'rotated', ARGV[3], 'expires', ARGV[4], 'saved', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
