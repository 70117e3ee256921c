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
local session = read(KEYS[1])
local presented, now, lifetime = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local grace, interval, margin = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local every, burst = tonumber(ARGV[8]), tonumber(ARGV[9])

-- By the rule of `Limit::charge`, and before anything else: the tokens of a session that is over are charged too. No charge leads
-- further than a burst from the time at which it is made; twice that, since the clocks of nodes differ, and it is none.
local arrival = 0
if every > 0 then
  arrival = math.max(whole(session.arrival, now + 2 * burst) or now, now) + every
  if arrival > now + burst then
    return {{'limited', '', 0, 0}, arrival - every, arrival - now - burst}
  end
  session.arrival = digits(arrival)
end

-- The answer where the session stays as it is: what else is new, above all what it was charged, is kept all the same.
local is_new = every > 0
local function unmoved(outcome, profile, generation, rotated)
  if is_new then
    keep(KEYS[1], session, math.max(arrival - now, LEASE))
  end
  return {{outcome, profile, generation, rotated}, arrival, 0}
end

if session.generation == 'ended' then
  return unmoved('over', '', 0, 0)
end
local expires = expiry(session)
if not expires then
  give_lease(session, ARGV[7])
  is_new = true
  return unmoved('missing', session.lease, 0, 0)
end

local generation, rotated = tonumber(session.generation), tonumber(session.rotated)
if now >= expires or now >= rotated + lifetime then
  return unmoved('over', '', 0, 0)
end
if presented + 1 == generation and now <= rotated + grace then
  return unmoved('repeated', session.profile, generation, rotated)
end
if presented < generation then
  return unmoved('reused', session.profile, generation, rotated)
end

-- A generation that is newer than ours was issued by us too (its tag says so): Redis lost a write, and catches up.
local outcome = 'moved'
if now >= tonumber(session.saved) + interval then
  outcome = 'due'
  session.saved = ARGV[2]
end
session.generation, session.rotated = digits(presented + 1), ARGV[2]
write(KEYS[1], session, math.min(lifetime, expires - now) + margin)
return {{outcome, session.profile, presented + 1, now}, arrival, 0}
