SELECT instances.queue, count(*) AS count, CAST(EXTRACT(epoch FROM statement_timestamp() - (min(instances.eligible_at) FILTER (WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL))) AS DOUBLE PRECISION) AS waiting
FROM gendurable.instances
WHERE instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children') GROUP BY instances.queue ORDER BY count DESC, instances.queue
