SELECT instances.updated_at, instances.id
FROM gendurable.instances
WHERE (instances.updated_at, instances.id) < (%(from_updated_at)s::TIMESTAMP WITH TIME ZONE, %(from_id)s::BIGINT) AND instances.status = 'cancelled' ORDER BY instances.updated_at DESC, instances.id DESC
 LIMIT 1 OFFSET 9999
