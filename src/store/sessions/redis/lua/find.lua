-- Reads a session.
-- KEYS[1]  the session
-- ARGV     1 a nonce, for the lease
-- returns  {outcome, profile, generation, rotated at}; the outcome is
--          'found'
--          'ended'
--          'missing'  Redis has no session, or one of another replication id, or one without a profile.
--                     SQL decides, and the profile is the lease for writing the session back.
local session = read(KEYS[1])
if session.generation == 'ended' then
  return {'ended', '', 0, 0}
end
if not expiry(session) then
  give_lease(session, ARGV[1])
  keep(KEYS[1], session, LEASE)
  return {'missing', session.lease, 0, 0}
end
return {'found', session.profile, tonumber(session.generation), tonumber(session.rotated)}
