-- Reads a session.
-- KEYS[1]  the session
-- ARGV     1 a nonce, for the lease
-- returns  {outcome, profile, generation, rotated at}; the outcome is 'found', 'ended', or 'missing' when Redis does not know, or
--          only from another history, or not whose it is, and SQL has to be asked; then the profile is the lease for putting it back
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
