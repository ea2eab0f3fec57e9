SELECT pauses.queue, pauses.paused_at, pauses.paused_by, pauses.pause_reason
FROM gendurable.pauses
WHERE pauses.resumed_at IS NULL ORDER BY pauses.queue
 LIMIT 500
