-- Reads a session.
-- KEYS[1]  the session
-- ARGV     1 a nonce, for the lease
-- returns  {outcome, profile, generation, rotated at}; the outcome is 'found', 'ended', or 'missing' when Redis does not know, or
--          only from another history, or not whose it is, and SQL has to be asked; then the profile is the lease for putting it back
local session = redis.call('HMGET', KEYS[1], 'profile', 'generation', 'rotated', 'ended')
if session[4] then
  return {'ended', '', 0, 0}
end
if not expiry(session[1]) then
  return {'missing', lease(KEYS[1], ARGV[1]), 0, 0}
end
return {'found', session[1], tonumber(session[2]), tonumber(session[3])}
