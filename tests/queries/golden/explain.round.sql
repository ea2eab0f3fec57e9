SELECT count(*) AS count_1
FROM gendurable.instances
WHERE gendurable.instances.parent_id = %(parent)s::BIGINT AND gendurable.instances.parent_round = %(in_round)s::INTEGER
