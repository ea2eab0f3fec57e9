SELECT gendurable.instances.updated_at, gendurable.instances.id
FROM gendurable.instances
WHERE (gendurable.instances.updated_at, gendurable.instances.id) < (%(from_updated_at)s::TIMESTAMP WITH TIME ZONE, %(from_id)s::BIGINT) AND gendurable.instances.status = 'failed' ORDER BY gendurable.instances.updated_at DESC, gendurable.instances.id DESC
 LIMIT 1 OFFSET 9999
