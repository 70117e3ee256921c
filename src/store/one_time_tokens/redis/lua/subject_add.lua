-- Adds a token to the list of its subject. The client runs this script again after a connection
-- has broken, so the token itself may already be in the list.
-- KEYS[1]  the list
-- ARGV     1 now, 2 when the token expires (both in ms), 3 its name
-- returns  the names of the other tokens in the list
local tokens = {}
for _, token in ipairs(read(KEYS[1], ARGV[1])) do
  if token.name ~= ARGV[3] then
    table.insert(tokens, token)
  end
end
local earlier = names(tokens)
table.insert(tokens, {expires = ARGV[2], name = ARGV[3]})
write(KEYS[1], tokens, ARGV[1])
return earlier
