SELECT gendurable.instances.id
FROM gendurable.instances
WHERE (gendurable.instances.id) > (%(from_id)s::BIGINT) AND gendurable.instances.parent_id = %(parent)s::BIGINT ORDER BY gendurable.instances.id
 LIMIT 1 OFFSET 9999
