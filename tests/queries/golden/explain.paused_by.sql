SELECT transitions.made_by, transitions.reason
FROM gendurable.transitions
WHERE transitions.instance_id = %(target)s::BIGINT AND transitions.kind = 'paused' ORDER BY transitions.id DESC
 LIMIT 1
