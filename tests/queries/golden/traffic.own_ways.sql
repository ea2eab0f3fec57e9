SELECT pairs.kind, pairs.step, CASE WHEN ((pairs.after IS NOT NULL OR NOT CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END) AND coalesce(pairs.visit_after, instances.visit) - pairs.visit <= 1) THEN coalesce(pairs.after, instances.step) END AS target, count(*) AS count
FROM (SELECT newest.instance_id, newest.kind, newest.step, newest.visit, lead(newest.step) OVER (PARTITION BY newest.instance_id ORDER BY newest.id) AS after, lead(newest.visit) OVER (PARTITION BY newest.instance_id ORDER BY newest.id) AS visit_after
FROM (SELECT transitions.id, transitions.instance_id, transitions.kind, transitions.step, transitions.visit
FROM gendurable.transitions
WHERE transitions.instance_id = %(target)s::BIGINT ORDER BY transitions.id DESC
 LIMIT 500) AS newest
WHERE newest.kind IN ('next', 'await', 'children', 'retry', 'snooze', 'done', 'stop')) AS pairs JOIN gendurable.instances ON instances.id = pairs.instance_id GROUP BY pairs.kind, pairs.step, CASE WHEN ((pairs.after IS NOT NULL OR NOT CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END) AND coalesce(pairs.visit_after, instances.visit) - pairs.visit <= 1) THEN coalesce(pairs.after, instances.step) END
