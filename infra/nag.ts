/**
 * The rules of cdk-nag that every synth keeps. What is accepted of their findings is said with its reason where the thing
 * is made (`Validations.of(…).acknowledge`); every other finding fails the synth.
 */
import { type App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';

/** Has the synth of the app look at all its stacks with both packs. */
export function checkRules(app: App): void {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
}
