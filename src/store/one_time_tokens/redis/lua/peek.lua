-- Reads a token that can still be used.
-- KEYS[1]  the token
-- ARGV     1 now, in ms
-- returns  its text without the tries, or nil
local token = read(KEYS[1], ARGV[1])
if token and has_tries_left(token) then
  return token.fixed
end
