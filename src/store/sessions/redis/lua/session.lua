-- Goes before the other scripts.

-- A session is one text: its parts with a space between them, each of which may be empty.
local PARTS = '^(%w*) (%d*) (%d*) (%d*) (%S*) (.*)$'

-- How long the right to put a session back stands, in ms.
local LEASE = 10000

-- Above all generations, and above all times in ms.
local GENERATIONS, TIMES = 2 ^ 32, 2 ^ 53

-- What Redis knows of a session; all texts, and empty where it does not know:
--   generation  of the newest token; 'ended' once the session is over
--   rotated     when it came to that generation, in ms
--   saved       when SQL was told last, in ms
--   arrival     the theoretical arrival time of its charges, in ms
--   lease       the right to put it back
--   profile     what it says, and under which history it was written
local function session_of(generation, rotated, saved, arrival, lease, profile)
  return {
    generation = generation or '', rotated = rotated or '', saved = saved or '',
    arrival = arrival or '', lease = lease or '', profile = profile or '',
  }
end

-- The session under this key. Something that was not written here is nothing known, and is written over.
local function read(key)
  local held = redis.pcall('GET', key)
  if type(held) == 'table' and not string.find(held.err, 'WRONGTYPE', 1, true) then
    redis.call('GET', key) -- Fails as it has just failed.
  end
  if type(held) ~= 'string' then
    held = ''
  end
  return session_of(string.match(held, PARTS))
end

-- The number that a part of a session is; nothing if it is not a whole one below the limit.
local function whole(part, limit)
  local number = string.match(part, '^%d+$') and tonumber(part)
  return number and number < limit and number or nil
end

-- Keeps that for so long, in ms.
local function write(key, session, time)
  local text = table.concat({
    session.generation, session.rotated, session.saved, session.arrival, session.lease, session.profile,
  }, ' ')
  redis.call('SET', key, text, 'PX', time)
end

-- Keeps it no shorter than before, and at least for so long, in ms.
local function keep(key, session, time)
  write(key, session, math.max(redis.call('PTTL', key), time))
end

-- A whole number as it is written in a session, however long.
local function digits(number)
  return string.format('%.0f', number)
end

-- The name of the history of writes that this server is at. It changes when a server starts and when a replica takes over: what
-- was written under another name may lack what came after it, the end of a session for one. False on a replica, which may lag
-- behind; empty where the user may not ask (ACL), and then a change goes unseen.
local function current_history()
  local info = redis.pcall('INFO', 'replication')
  if type(info) ~= 'string' then
    return ''
  end
  if not string.find(info, 'role:master', 1, true) then
    return false
  end
  return string.sub(string.match(info, 'master_replid:(%x+)') or '', 1, 16)
end

-- When a session ends at the latest, by its profile; nothing if that was not written under this history, or something is missing.
local function expiry(session)
  local history, expires = string.match(session.profile, '^(%x*)%.(%d+)%.')
  local is_whole = whole(session.generation, GENERATIONS) and whole(session.rotated, TIMES) and whole(session.saved, TIMES)
  if is_whole and history == current_history() then
    return tonumber(expires)
  end
end

-- Gives out the right to put a session back that has to be read from SQL first. Whatever comes in between and takes the text away,
-- an end above all, takes the right away too: what was read before it and arrives late is not written. All who ask share it.
local function give_lease(session, nonce)
  local history = current_history() or ''
  if string.match(session.lease, ':(%x*)$') ~= history then
    session.lease = nonce .. ':' .. history
  end
end
