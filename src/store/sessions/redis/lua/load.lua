-- Puts a session that SQL knows back into Redis, under a lease that still stands: then nothing has ended it since it was read, and
-- nothing that Redis was told to forget of its account comes back. Of a session from another history only an end is believed, and
-- how far its generation has come.
-- KEYS[1]  the session
-- ARGV     1 generation, 2 rotated at, 3 expires at, 4 now, 5 lifetime of a refresh token, 6 how much longer than the session lives
--          its key is kept (times in ms), 7 the lease, 8 the profile, to be kept after the name of the history
-- returns  1 if it was put there, else 0
local session = read(KEYS[1])
local history = current_history() or ''
if session.lease ~= ARGV[7] or string.match(ARGV[7], ':(%x*)$') ~= history then
  return 0
end

local expires, now, lifetime, margin = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local known, rotated = whole(session.generation, GENERATIONS), whole(session.rotated, TIMES)
if not (known and rotated and known > tonumber(ARGV[1])) then
  session.generation, session.rotated, rotated = ARGV[1], ARGV[2], tonumber(ARGV[2])
end
session.saved, session.lease, session.profile = ARGV[2], '', history .. '.' .. ARGV[8]
write(KEYS[1], session, math.max(math.min(rotated + lifetime, expires) - now, 0) + margin)
return 1
