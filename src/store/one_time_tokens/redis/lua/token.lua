-- Precedes every script that works on a token.

-- A token is one text: its parts, separated by spaces, none of them empty.
--   tries, max_tries  how many codes were tried, and how many may be
--   expires           when the token expires, in ms by the clock of the gateway
--   digest            of the secret or of the code
--   id, subject, encrypted payload, which only the gateway reads
-- All of it but the tries is fixed.
local PARTS = '^(%d+) ((%d+) (%d+) (%S+) .+)$'

-- The token at this key. Nil if there is none, or if it has expired.
local function read(key, now)
  local tries, fixed, max_tries, expires, digest = string.match(redis.call('GET', key) or '', PARTS)
  if tries and tonumber(expires) > tonumber(now) then
    return {
      tries = tonumber(tries), max_tries = tonumber(max_tries),
      digest = digest, fixed = fixed,
    }
  end
end

-- Whether the token may be tried once more.
local function has_tries_left(token)
  return token.tries < token.max_tries
end

-- Writes down that a code was tried.
local function count_try(key, token)
  token.tries = token.tries + 1
  redis.call('SET', key, token.tries .. ' ' .. token.fixed, 'KEEPTTL')
end

