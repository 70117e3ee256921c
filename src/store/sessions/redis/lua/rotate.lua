-- Charges the rate limit of a session, and rotates the session by the rotation table in
-- ARCHITECTURE.md.
-- KEYS[1]  the session
-- ARGV     1 presented generation, 2 now, 3 lifetime of a refresh token, 4 grace period, 5 interval of
--          saves to SQL, 6 how much longer than the session its key is kept, 7 a nonce, for the lease,
--          8 time between two rotations that the limit allows, 0 without a limit, 9 time that restores
--          the whole burst (times in ms)
-- returns  {{outcome, profile, generation, rotated at}, theoretical arrival time, how long the charge is
--          refused for, 0 if it is accepted}; the outcome is
--          'moved'    the session is at a new generation
--          'due'      the same, and it is time to save to SQL
--          'repeated' the previous token within its grace period: the generation stays
--          'reused'   an older token; the caller ends the session, in SQL first
--          'over'     the session has ended or expired
--          'limited'  the charge is refused, and nothing has changed
--          'missing'  Redis has no session, or one of another replication id, or one without a profile.
--                     SQL decides, and the profile is the lease for writing the session back.
local session = read(KEYS[1])
local presented, now, lifetime = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local grace, interval, margin = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local every, burst = tonumber(ARGV[8]), tonumber(ARGV[9])

-- The rule of `Limit::charge`, before anything else: tokens of an ended session are charged too.
-- A charge sets the arrival time at most one burst ahead of the clock of its node. Allowing for nodes
-- whose clocks differ, a time that is two bursts ahead was not written by a charge, and is ignored.
local arrival = 0
if every > 0 then
  arrival = math.max(whole(session.arrival, now + 2 * burst) or now, now) + every
  if arrival > now + burst then
    return {{'limited', '', 0, 0}, arrival - every, arrival - now - burst}
  end
  session.arrival = digits(arrival)
end

-- Returns without a rotation. The charge is kept all the same.
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

-- The gateway issued a newer generation too, as its tag proves: Redis has lost a write and catches up.
local outcome = 'moved'
if now >= tonumber(session.saved) + interval then
  outcome = 'due'
  session.saved = ARGV[2]
end
session.generation, session.rotated = digits(presented + 1), ARGV[2]
write(KEYS[1], session, math.min(lifetime, expires - now) + margin)
return {{outcome, session.profile, presented + 1, now}, arrival, 0}
