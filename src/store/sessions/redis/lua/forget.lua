-- Removes the profile of a session, and the lease of a rebuild that has read SQL before.
-- KEYS[1]  the session
-- returns  1
local session, time = read(KEYS[1]), redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1]) -- First, because a full Redis allows writes to a script that has freed memory. A replica refuses here.
if session.generation .. session.arrival ~= '' then
  session.profile, session.lease = '', ''
  write(KEYS[1], session, math.max(time, 1))
end
return 1
