WITH gone AS
(SELECT instances.id
FROM gendurable.instances
WHERE instances.id = any(%(ids)s::BIGINT[]) AND (instances.status IN ('done', 'failed', 'cancelled')) FOR UPDATE SKIP LOCKED)
 DELETE FROM gendurable.instances USING gone WHERE instances.id = gone.id RETURNING instances.id
