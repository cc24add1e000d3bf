/**
 * Applies the rules of cdk-nag to every synth. The code that makes a resource accepts a finding with a reason
 * (`Validations.of(…).acknowledge`). Every other finding fails the synth.
 */
import { type App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';

/** Makes the synth of the app check all stacks with both rule packs. */
export function checkRules(app: App): void {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
}
