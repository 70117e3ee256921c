-- Writes a session that was read from SQL, if its lease is still valid. Then no end and no change of
-- the account has come since the read. Of a session of another replication id, only its tombstone and
-- its generation are used.
-- KEYS[1]  the session
-- ARGV     1 generation, 2 rotated at, 3 expires at, 4 now, 5 lifetime of a refresh token, 6 how much
--          longer than the session its key is kept (times in ms), 7 the lease, 8 the profile
-- returns  1 if the session was written, else 0
local session = read(KEYS[1])
local current = replication_id() or ''
if session.lease ~= ARGV[7] or string.match(ARGV[7], ':(%x*)$') ~= current then
  return 0
end

local expires, now, lifetime, margin = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local known, rotated = whole(session.generation, GENERATIONS), whole(session.rotated, TIMES)
if not (known and rotated and known > tonumber(ARGV[1])) then
  session.generation, session.rotated, rotated = ARGV[1], ARGV[2], tonumber(ARGV[2])
end
session.saved, session.lease, session.profile = ARGV[2], '', current .. '.' .. ARGV[8]
write(KEYS[1], session, math.max(math.min(rotated + lifetime, expires) - now, 0) + margin)
return 1
