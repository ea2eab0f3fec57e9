SELECT instances.id
FROM gendurable.instances
WHERE (instances.id) > (%(from_id)s::BIGINT) AND instances.parent_id = %(parent)s::BIGINT ORDER BY instances.id
 LIMIT 1 OFFSET 9999
