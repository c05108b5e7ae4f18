/* A command of which the demo says what it is about, and of whose answer it expects something. */
import type { DaemonProcess } from './daemon-process.js';
import type { Stage } from './stage.js';

export interface Question {
  /** Said before it; absent: it goes on with the one before. */
  what?: string;
  command: string;
  /** What must be among the answers. */
  answers: RegExp[];
}

/** Carries out commands that build a scene. */
export async function build(stage: Stage, daemon: DaemonProcess, commands: readonly string[]): Promise<void> {
  for (const command of commands) {
    stage.screen.command(`sluice ${command}`);
    await daemon.command(command);
  }
}

export async function ask(stage: Stage, daemon: DaemonProcess, { what, command, answers }: Question): Promise<void> {
  if (what !== undefined) {
    stage.screen.line();
    stage.screen.line(`  ${what}`);
  }
  stage.screen.command(`sluice ${command}`);
  const text = await daemon.attempt(command);
  stage.screen.answer(text);
  const missing = answers.filter((answer) => !answer.test(text));
  const cause = `no line of it is like ${missing.map(String).join(' or ')}`;
  stage.expect(missing.length === 0, 'read the answer to', `"sluice ${command}"`, cause, 'see what it printed above');
}
