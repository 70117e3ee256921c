-- Uses a token up.
-- KEYS[1]  the token
-- ARGV     1 now, in ms
-- returns  its text without the tries, or nil
local token = read(KEYS[1], ARGV[1])
if token then
  redis.call('DEL', KEYS[1])
  return token.fixed
end
