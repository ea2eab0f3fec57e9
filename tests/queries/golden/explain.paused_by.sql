SELECT gendurable.transitions.made_by, gendurable.transitions.reason
FROM gendurable.transitions
WHERE gendurable.transitions.instance_id = %(target)s::BIGINT AND gendurable.transitions.kind = 'paused' ORDER BY gendurable.transitions.id DESC
 LIMIT 1
