WITH gone AS
(SELECT instances.id
FROM gendurable.instances
WHERE instances.id = any(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) AND (instances.status IN ('done', 'failed', 'cancelled')) FOR UPDATE SKIP LOCKED)
 DELETE FROM gendurable.instances USING gone WHERE instances.id = gone.id RETURNING instances.id
