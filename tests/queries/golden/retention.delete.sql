WITH gone AS
(SELECT gendurable.instances.id AS id
FROM gendurable.instances
WHERE gendurable.instances.id = any(%(ids)s::BIGINT[]) AND (gendurable.instances.status IN ('done', 'failed', 'cancelled')) FOR UPDATE SKIP LOCKED)
 DELETE FROM gendurable.instances USING gone WHERE gendurable.instances.id = gone.id RETURNING gendurable.instances.id
