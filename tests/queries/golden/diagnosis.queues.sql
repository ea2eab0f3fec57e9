SELECT gendurable.instances.queue, count(*) AS count, CAST(EXTRACT(epoch FROM statement_timestamp() - (min(gendurable.instances.eligible_at) FILTER (WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL))) AS DOUBLE PRECISION) AS waiting
FROM gendurable.instances
WHERE gendurable.instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children') GROUP BY gendurable.instances.queue ORDER BY count DESC, gendurable.instances.queue
