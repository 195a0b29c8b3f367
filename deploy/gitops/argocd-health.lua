-- Health of a ServiceMesh for Argo CD. Where it goes: docs/gitops.md.
-- Ready is healthy, Stalled waits for a user, anything else goes on by itself.
local health = { status = "Progressing", message = "Waiting for the operator of Pilotage" }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "The operator has not seen this generation yet"
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    health.message = condition.message
    if condition.status == "True" then
      health.status = "Healthy"
    end
  end
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Stalled" and condition.status == "True" then
    health.status = "Degraded"
    health.message = condition.reason .. ": " .. condition.message
  end
end
return health
