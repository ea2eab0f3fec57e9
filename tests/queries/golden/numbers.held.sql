SELECT pauses.queue, CAST(EXTRACT(epoch FROM statement_timestamp() - pauses.paused_at) AS DOUBLE PRECISION) AS age, pauses.paused_by, pauses.pause_reason
FROM gendurable.pauses
WHERE pauses.resumed_at IS NULL ORDER BY pauses.queue
