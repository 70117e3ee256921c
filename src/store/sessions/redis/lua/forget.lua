-- Forgets whose session it is, and with that a lease of whoever has read it from SQL before.
-- KEYS[1]  the session
-- returns  1
local session, time = read(KEYS[1]), redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1]) -- First: a full Redis lets a script that has freed something write, and a replica says that it is one.
if session.generation .. session.arrival ~= '' then
  session.profile, session.lease = '', ''
  write(KEYS[1], session, math.max(time, 1))
end
return 1
