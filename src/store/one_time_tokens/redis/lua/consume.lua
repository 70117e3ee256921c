-- Uses a token up.
-- KEYS[1]  the token
-- ARGV     1 now, in ms
-- returns  what the gateway reads of it, or nil
local token = read(KEYS[1], ARGV[1])
if token then
  redis.call('DEL', KEYS[1])
  return token.rest
end
