-- Charges a renewal, and renews a session by the rotation table in ARCHITECTURE.md.
-- KEYS[1]  the session
-- ARGV     1 presented generation, 2 now, 3 lifetime of a refresh token, 4 grace period, 5 how often SQL is told, 6 how much longer
--          than the session lives its key is kept, 7 a nonce, for the lease, 8 time for one more renewal, 0 if none is charged,
--          9 time for the whole burst (times in ms)
-- returns  {{outcome, profile, generation, rotated at}, theoretical arrival time, for how long the charge is refused: 0 if it is
--          not}; the outcome is
--          'moved'    the session stands at a new generation
--          'due'      the same, and it is time to tell SQL
--          'repeated' the predecessor came within its grace period: the generation is the same as before
--          'reused'   an old token came back; ending the session is for the caller, SQL first
--          'over'     the session has ended or its time is over
--          'limited'  the charge is refused, and nothing has changed
--          'missing'  Redis does not know, or only from another history, or not whose it is; SQL has to be asked, and the profile
--                     is the lease for putting it back
local session = redis.call('HMGET', KEYS[1], 'profile', 'generation', 'rotated', 'ended', 'saved', 'arrival')
local presented, now, lifetime = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local grace, interval, margin = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local every, whole = tonumber(ARGV[8]), tonumber(ARGV[9])

-- By the rule of `Limit::charge`, and before anything else: the tokens of a session that is over are charged too.
local arrival = 0
if every > 0 then
  arrival = math.max(tonumber(session[6] or now), now) + every
  if arrival > now + whole then
    return {{'limited', '', 0, 0}, arrival - every, arrival - now - whole}
  end
  redis.call('HSET', KEYS[1], 'arrival', arrival)
  if not session[1] and redis.call('PTTL', KEYS[1]) < arrival - now then
    redis.call('PEXPIRE', KEYS[1], math.max(arrival - now, 10000))
  end
end

local function answer(outcome, ...)
  return {{outcome, ...}, arrival, 0}
end

if session[4] then
  return answer('over', '', 0, 0)
end
local expires = expiry(session[1])
if not expires then
  return answer('missing', lease(KEYS[1], ARGV[7]), 0, 0)
end

local profile, generation, rotated, saved = session[1], tonumber(session[2]), tonumber(session[3]), tonumber(session[5])

if now >= expires or now >= rotated + lifetime then
  return answer('over', '', 0, 0)
end
if presented + 1 == generation and now <= rotated + grace then
  return answer('repeated', profile, generation, rotated)
end
if presented < generation then
  return answer('reused', profile, generation, rotated)
end

-- A generation that is newer than ours was issued by us too (its tag says so): Redis lost a write, and catches up.
generation = presented + 1
local outcome = 'moved'
if now >= saved + interval then
  outcome = 'due'
  redis.call('HSET', KEYS[1], 'saved', ARGV[2])
end
redis.call('HSET', KEYS[1], 'generation', generation, 'rotated', ARGV[2])
redis.call('PEXPIRE', KEYS[1], math.min(lifetime, expires - now) + margin)
return answer(outcome, profile, generation, now)
