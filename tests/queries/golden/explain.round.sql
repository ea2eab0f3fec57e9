SELECT count(*) AS count_1
FROM gendurable.instances
WHERE instances.parent_id = %(parent)s::BIGINT AND instances.parent_round = %(in_round)s::INTEGER
