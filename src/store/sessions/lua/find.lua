-- Reads a session.
-- KEYS[1]  the session
-- ARGV     1 a nonce, for the lease
-- returns  {outcome, account, generation, rotated at, expires at, profile}; the outcome is 'found', 'ended', or 'missing' when
--          Redis does not know, or only from another history, or not whose it is, and SQL has to be asked; then the account is
--          the lease for putting it back
local session = redis.call('HMGET', KEYS[1], 'account', 'generation', 'rotated', 'expires', 'ended', 'history', 'profile')
if session[5] then
  return {'ended', '', 0, 0, 0, ''}
end
if not session[1] or not session[7] or session[6] ~= current_history() then
  return {'missing', lease(KEYS[1], ARGV[1]), 0, 0, 0, ''}
end
return {'found', session[1], tonumber(session[2]), tonumber(session[3]), tonumber(session[4]), session[7]}
