-- Renews a session by the rotation table in ARCHITECTURE.md.
-- KEYS[1]  the session
-- ARGV     1 presented generation, 2 now, 3 lifetime of a refresh token, 4 grace period, 5 how often SQL is told, 6 how much longer
--          than the session lives its key is kept (times in ms), 7 a nonce, for the lease
-- returns  {outcome, account, generation, rotated at, expires at}; the outcome is
--          'moved'    the session stands at a new generation
--          'due'      the same, and it is time to tell SQL
--          'repeated' the predecessor came within its grace period: the generation is the same as before
--          'reused'   an old token came back; ending the session is for the caller, SQL first
--          'over'     the session has ended or its time is over
--          'missing'  Redis does not know, or only from another history; SQL has to be asked, and the account is the lease for putting
--                     it back
local session = redis.call('HMGET', KEYS[1], 'account', 'generation', 'rotated', 'expires', 'ended', 'saved', 'history')
if session[5] then
  return {'over', '', 0, 0, 0}
end
if not session[1] or session[7] ~= current_history() then
  return {'missing', lease(KEYS[1], ARGV[7]), 0, 0, 0}
end

local presented, now, lifetime = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local grace, interval, margin = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local account, generation, rotated, expires, saved =
  session[1], tonumber(session[2]), tonumber(session[3]), tonumber(session[4]), tonumber(session[6])

if now >= expires or now >= rotated + lifetime then
  return {'over', '', 0, 0, 0}
end
if presented + 1 == generation and now <= rotated + grace then
  return {'repeated', account, generation, rotated, expires}
end
if presented < generation then
  return {'reused', account, generation, rotated, expires}
end

-- A generation that is newer than ours was issued by us too (its tag says so): Redis lost a write, and catches up.
generation = presented + 1
local outcome = 'moved'
if now >= saved + interval then
  outcome = 'due'
  redis.call('HSET', KEYS[1], 'saved', now)
end
redis.call('HSET', KEYS[1], 'generation', generation, 'rotated', now)
redis.call('PEXPIRE', KEYS[1], math.min(lifetime, expires - now) + margin)
return {outcome, account, generation, now, expires}
