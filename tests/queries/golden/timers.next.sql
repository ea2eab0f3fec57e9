SELECT CAST(EXTRACT(epoch FROM least((SELECT min(instances.deadline) AS min_1
FROM gendurable.instances
WHERE (instances.status IN ('awaiting_signal', 'awaiting_children')) AND instances.deadline IS NOT NULL), (SELECT min(instances.lease_expires_at) AS min_2
FROM gendurable.instances
WHERE instances.status = 'executing')) - statement_timestamp()) AS DOUBLE PRECISION) AS anon_1
