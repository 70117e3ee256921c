-- Goes before the other scripts.

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

-- When a session ends at the latest, by its profile; nothing if that was not written under this history.
local function expiry(profile)
  local history, expires = string.match(profile or '', '^(%x*)%.(%d+)%.')
  if history and history == current_history() then
    return tonumber(expires)
  end
end

-- Gives out the right to put a session back that has to be read from SQL first. Whatever comes in between and takes the key away,
-- an end above all, takes the right away too: what was read before it and arrives late is not written. All who ask share it.
local function lease(key, nonce)
  local history = current_history() or ''
  local held = redis.call('HGET', key, 'lease')
  if not held or string.match(held, ':(%x*)$') ~= history then
    held = nonce .. ':' .. history
    redis.call('HSET', key, 'lease', held)
    if redis.call('PTTL', key) < 0 then
      redis.call('PEXPIRE', key, 10000)
    end
  end
  return held
end
