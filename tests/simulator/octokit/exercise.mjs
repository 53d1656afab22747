// Reads {baseUrl, token, app} from stdin, uses the client as anybody would, prints what came of it as JSON.
import { readFileSync } from "node:fs";
import { createAppAuth } from "@octokit/auth-app";
import { Octokit } from "@octokit/rest";

const { baseUrl, token, app } = JSON.parse(readFileSync(0, "utf8"));
const org = "acme";
const octokit = new Octokit({ baseUrl, auth: token });
const { actions } = octokit.rest;

const listed = await octokit.paginate(actions.listHostedRunnersForOrg, { org, per_page: 7 });
const { data: created, status: createdStatus } = await actions.createHostedRunnerForOrg({
  org,
  name: "made-by-octokit",
  image: { id: "2306", source: "github" },
  size: "8-core",
  runner_group_id: 1,
});
const runner = { org, hosted_runner_id: created.id };
const { data: read } = await actions.getHostedRunnerForOrg(runner);
const { data: updated } = await actions.updateHostedRunnerForOrg({ ...runner, maximum_runners: 3 });
const { data: deleted, status: deletedStatus } = await actions.deleteHostedRunnerForOrg(runner);
const { data: images } = await actions.listCustomImagesForOrg({ org });
const { data: sizes } = await actions.getHostedRunnersMachineSpecsForOrg({ org });
const groups = await octokit.paginate("GET /orgs/{org}/actions/runner-groups", { org, per_page: 2 });
const repositories = await octokit.paginate(octokit.rest.repos.listForOrg, { org, per_page: 5 });
const refused = await actions.createHostedRunnerForOrg({ org, name: "a b" }).catch((error) => error);
const missing = await actions.getHostedRunnerForOrg({ org, hosted_runner_id: 999 }).catch((error) => error);

const asApp = new Octokit({
  baseUrl,
  authStrategy: createAppAuth,
  auth: { appId: app.app_id, privateKey: app.pem, installationId: app.installations[0].id },
});
const { data: seenByApp } = await asApp.rest.actions.listHostedRunnersForOrg({ org });

console.log(
  JSON.stringify({
    listed: listed.map((each) => each.id),
    created: [createdStatus, created.status, read.id === created.id],
    updated: updated.maximum_runners,
    deleted: [deletedStatus, deleted.status],
    images: images.images.map((each) => each.name),
    sizes: sizes.machine_specs.length,
    groups: groups.map((each) => each.name),
    repositories: repositories.length,
    refused: [refused.status, refused.message.split("\n")[0]],
    missing: missing.status,
    seenByApp: seenByApp.total_count,
  }),
);
