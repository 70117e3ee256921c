-- Removes tokens that were deleted from the list of their subject.
-- KEYS[1]  the list
-- ARGV     1 now, in ms; then the names
local removed = {}
for position = 2, #ARGV do
  removed[ARGV[position]] = true
end
local left = {}
for _, token in ipairs(read(KEYS[1], ARGV[1])) do
  if not removed[token.name] then
    table.insert(left, token)
  end
end
write(KEYS[1], left, ARGV[1])
return 1
