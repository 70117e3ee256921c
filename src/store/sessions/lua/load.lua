-- Puts a session that SQL knows back into Redis, under a lease that still stands: then nothing has ended it since it was read, and
-- nothing that Redis was told to forget of its account comes back. Of a session from another history only an end is believed, and
-- how far its generation has come.
-- KEYS[1]  the session
-- ARGV     1 account, 2 generation, 3 rotated at, 4 expires at, 5 now, 6 lifetime of a refresh token, 7 how much longer than the
--          session lives its key is kept (times in ms), 8 the lease, 9 the profile: what is public of the account, as JSON
-- returns  1 if it was put there, else 0
local known = redis.call('HMGET', KEYS[1], 'generation', 'rotated', 'lease')
local history = current_history() or ''
if known[3] ~= ARGV[8] or string.match(ARGV[8], ':(%x*)$') ~= history then
  return 0
end

local generation, rotated = tonumber(ARGV[2]), tonumber(ARGV[3])
local expires, now, lifetime, margin = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if known[1] and tonumber(known[1]) > generation then
  generation, rotated = tonumber(known[1]), tonumber(known[2])
end
redis.call('HSET', KEYS[1], 'account', ARGV[1], 'generation', generation, 'rotated', rotated, 'expires', expires,
  'saved', ARGV[3], 'history', history, 'profile', ARGV[9])
redis.call('HDEL', KEYS[1], 'lease')
redis.call('PEXPIRE', KEYS[1], math.max(math.min(rotated + lifetime, expires) - now, 0) + margin)
return 1
