-- Puts a session that SQL knows back into Redis, under a lease that still stands: then nothing has ended it since it was read, and
-- nothing that Redis was told to forget of its account comes back. Of a session from another history only an end is believed, and
-- how far its generation has come.
-- KEYS[1]  the session
-- ARGV     1 generation, 2 rotated at, 3 expires at, 4 now, 5 lifetime of a refresh token, 6 how much longer than the session lives
--          its key is kept (times in ms), 7 the lease, 8 the profile, to be kept after the name of the history
-- returns  1 if it was put there, else 0
local known = redis.call('HMGET', KEYS[1], 'generation', 'rotated', 'lease')
local history = current_history() or ''
if known[3] ~= ARGV[7] or string.match(ARGV[7], ':(%x*)$') ~= history then
  return 0
end

local generation, rotated = tonumber(ARGV[1]), tonumber(ARGV[2])
local expires, now, lifetime, margin = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if known[1] and tonumber(known[1]) > generation then
  generation, rotated = tonumber(known[1]), tonumber(known[2])
end
redis.call('HSET', KEYS[1], 'profile', history .. '.' .. ARGV[8], 'generation', generation, 'rotated', rotated, 'saved', ARGV[2])
redis.call('HDEL', KEYS[1], 'lease')
redis.call('PEXPIRE', KEYS[1], math.max(math.min(rotated + lifetime, expires) - now, 0) + margin)
return 1
