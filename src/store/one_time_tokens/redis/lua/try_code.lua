-- Counts a try and compares the code. A right code uses the token up.
-- KEYS[1]  the token
-- ARGV     1 now, in ms; then the digests that a right code may have
-- returns  {'right', which digest it has (0 is the first), the token's text without the tries},
--          {'wrong', how many tries are left, ''} or {'gone', 0, ''}
local token = read(KEYS[1], ARGV[1])
if not token or not has_tries_left(token) then
  return {'gone', 0, ''}
end
for position = 2, #ARGV do
  if ARGV[position] == token.digest then
    redis.call('DEL', KEYS[1])
    return {'right', position - 2, token.fixed}
  end
end
count_try(KEYS[1], token)
return {'wrong', token.max_tries - token.tries, ''}
