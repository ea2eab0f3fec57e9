SELECT CAST(EXTRACT(epoch FROM least((SELECT min(gendurable.instances.deadline) AS min_1
FROM gendurable.instances
WHERE (gendurable.instances.status IN ('awaiting_signal', 'awaiting_children')) AND gendurable.instances.deadline IS NOT NULL), (SELECT min(gendurable.instances.lease_expires_at) AS min_2
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing')) - statement_timestamp()) AS DOUBLE PRECISION) AS anon_1
