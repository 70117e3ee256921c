-- Charges a limit, by the rule of `Limit::charge`.
-- KEYS[1]  the limit and its subject
-- ARGV     1 now, 2 time for one more, 3 time for the whole burst (in ms)
-- returns  {theoretical arrival time, for how long the charge is refused: 0 if it is not}
local now, every, whole = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local charged = arrival + every
if charged > now + whole then
  return {arrival, charged - now - whole}
end
redis.call('SET', KEYS[1], string.format('%d', charged), 'PX', charged - now)
return {charged, 0}
