-- Counts a try whose code the gateway verifies.
-- KEYS[1]  the token
-- ARGV     1 now, in ms
-- returns  {how many tries are left, the token's text without the tries}, or nil
local token = read(KEYS[1], ARGV[1])
if token and has_tries_left(token) then
  count_try(KEYS[1], token)
  return {token.max_tries - token.tries, token.fixed}
end
