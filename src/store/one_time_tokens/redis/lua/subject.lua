-- Precedes every script that works on the list of a subject's tokens.

-- The list is one text: for each token when it expires, in ms, and its name, separated by spaces,
-- the oldest first. A token that was used may still be in it.

-- The tokens of the list that have not expired.
local function read(key, now)
  local tokens = {}
  for expires, name in string.gmatch(redis.call('GET', key) or '', '(%d+) (%S+)') do
    if tonumber(expires) > tonumber(now) then
      table.insert(tokens, {expires = expires, name = name})
    end
  end
  return tokens
end

-- Writes the list, which Redis keeps as long as the last of its tokens.
local function write(key, tokens, now)
  local parts, lifetime = {}, 1 -- Redis accepts no lifetime of zero.
  for _, token in ipairs(tokens) do
    table.insert(parts, token.expires .. ' ' .. token.name)
    lifetime = math.max(lifetime, tonumber(token.expires) - tonumber(now))
  end
  if #parts == 0 then
    redis.call('DEL', key)
  else
    redis.call('SET', key, table.concat(parts, ' '), 'PX', string.format('%.0f', lifetime))
  end
end

-- The names of tokens.
local function names(tokens)
  local names = {}
  for _, token in ipairs(tokens) do
    table.insert(names, token.name)
  end
  return names
end

