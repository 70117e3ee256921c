-- Forgets whose session it is, and with that a lease of whoever has read it from SQL before.
-- KEYS[1]  the session
-- returns  1 if there was something to forget, else 0
local session = read(KEYS[1])
if session.profile == '' and session.lease == '' then
  return 0
end
session.profile, session.lease = '', ''
keep(KEYS[1], session, 1)
return 1
